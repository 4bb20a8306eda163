"""The judge: runs programs nobody trusts against tests they must not see."""
