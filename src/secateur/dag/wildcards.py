"""What the wildcards in files' names stand for, as regular expressions."""

PATTERNS = {
    "criterion": "[A-Za-z][A-Za-z0-9_]*",
    "study": "[a-z0-9_]+",
    "backbone": "[a-z0-9_]+",
    "draw": "(-[0-9]+)?",
    "dataset": "[a-z0-9_]+",
    "architecture": "[A-Za-z0-9_./]+",
    "size": "[0-9]+",
    "colour": "rgb|grey",
    "branch": "fewshot|retrain",
    "part": "[0-9]+-[0-9]+",
    "seed": "[0-9]+",
    "samples": "[0-9]+|all",
}
