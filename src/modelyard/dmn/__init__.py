"""DMN 1.1 to 1.5 and FEEL: decision models loaded from files, compiled once, evaluated many times. Pure; stands alone."""
