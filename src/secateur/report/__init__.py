"""The report: figures from the tables, and one HTML page that holds everything (never imports torch)."""
