"""HTTP with servers that nobody vouches for: everything they send is bounded, and so is the time they take."""
