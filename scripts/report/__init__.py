"""Write report.html, one page about the last run, alone or compared with another revision."""
