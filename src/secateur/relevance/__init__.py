"""Layer-wise relevance propagation, exact for networks of affine maps and element-wise activations."""
