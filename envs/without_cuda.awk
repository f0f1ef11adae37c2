# The locked requirements without PyTorch's builds for cards and the libraries that these need: for `make TORCH_INDEX=…`.
/^[^ #]/ { kept = $0 !~ /^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/ }
kept
