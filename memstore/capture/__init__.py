"""From conversations to facts: sentences, their modality, their provenance, and what they update."""
