"""What a reviewer needs: two runs held against each other, and a run published. No PyTorch, and no part of the DAG."""
