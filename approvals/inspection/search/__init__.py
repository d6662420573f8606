"""Finding the places in a package's code that rules want to judge: fast, bounded, and by syntax."""
