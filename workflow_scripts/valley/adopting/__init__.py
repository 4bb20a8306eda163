"""Results made elsewhere: checked, and put where the study looks for them."""
