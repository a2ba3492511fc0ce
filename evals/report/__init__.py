"""Three views of one run: a table in the terminal, a Markdown table for a README, one HTML file that opens offline."""
