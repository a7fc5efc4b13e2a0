"""What leaves flowreform for people: tables, a summary, a chart, and the folder they go into together."""
