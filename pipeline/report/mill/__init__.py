"""What many rolls say together: read, summed up by DuckDB, and told as a page, CSV and Parquet."""
