"""What a dataset is: made or fetched, checked against its pin, split once, reference samples drawn."""
