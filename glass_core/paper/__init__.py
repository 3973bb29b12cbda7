"""What the official scripts do, and where a training differs from them."""
