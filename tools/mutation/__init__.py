"""The mutation sweep: one small fault at a time is put into the product, and some test must notice."""
