"""One file a remedy: what can be done after cutting with the reference images alone, without a gradient step."""
