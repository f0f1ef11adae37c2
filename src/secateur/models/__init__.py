"""timm backbones: building, training, evaluating and storing task models."""
