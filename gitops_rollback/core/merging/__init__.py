"""Three versions of one text become one: by line, by key, or not at all. Pure, and never a guess."""
