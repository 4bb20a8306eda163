"""Commands that belong to no other part."""
