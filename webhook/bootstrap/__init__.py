"""The one place where deciding and the world are joined."""
