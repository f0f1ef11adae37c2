"""From tidy tables to statements: measures of curves, paired tests, ranks and verdicts (never imports torch)."""
