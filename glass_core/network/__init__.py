"""The network of GLASS: trunk, embedding, heads, and the graph of inference."""
