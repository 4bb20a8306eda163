"""Asking teachers for answers: behind an endpoint, or by a model run here."""
