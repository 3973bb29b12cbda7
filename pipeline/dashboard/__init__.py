"""What a person at the line sees."""
