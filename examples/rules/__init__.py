"""Grant a loan? A model of kind `rules` on the applications of a lender, of which it is known how they ended."""
