# The Taylor criterion without Python: |Σ output · gradient| over samples and positions, for every channel.
# Reads a case's network.json and signals.safetensors, writes layer,channel,score. Core modules of Perl 5.14 and later.

use strict;
use warnings;
use JSON::PP;

my ($network_file, $signals_file) = @ARGV;

open(my $network, '<', $network_file) or die "$network_file: $!\n";
my $layers = decode_json(do { local $/; <$network> })->{layers};

# safetensors: the header's length (8 bytes), the header (JSON: name -> dtype, shape, data_offsets), the numbers.
open(my $signals, '<:raw', $signals_file) or die "$signals_file: $!\n";
read($signals, my $length, 8) == 8 or die "$signals_file: too short\n";
my $size = unpack('Q<', $length);
read($signals, my $text, $size) == $size or die "$signals_file: truncated\n";
my $header = decode_json($text);

sub numbers {
    my ($name) = @_;
    my $entry = $header->{$name} or die "$signals_file: no tensor $name\n";
    die "$name is $entry->{dtype}, not F32\n" unless $entry->{dtype} eq 'F32';
    my ($start, $end) = @{$entry->{data_offsets}};
    seek($signals, 8 + $size + $start, 0);
    read($signals, my $bytes, $end - $start) == $end - $start or die "$signals_file: truncated at $name\n";
    return ([unpack('f<*', $bytes)], @{$entry->{shape}});
}

print "layer,channel,score\n";
for my $layer (@$layers) {
    my ($outputs, $samples, $channels, $positions) = numbers("$layer->{name}/outputs");
    my ($gradients) = numbers("$layer->{name}/gradients");
    my @sums = (0) x $channels;
    my $at = 0;
    for my $sample (1 .. $samples) {
        for my $channel (0 .. $channels - 1) {
            for (1 .. $positions) {
                $sums[$channel] += $outputs->[$at] * $gradients->[$at];
                $at++;
            }
        }
    }
    printf "%s,%d,%.17g\n", $layer->{name}, $_, abs($sums[$_]) for 0 .. $channels - 1;
}
