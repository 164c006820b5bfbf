"""Turn a training run into artifacts, each proven against the model, and bundle them."""
