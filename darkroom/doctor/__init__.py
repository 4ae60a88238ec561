"""`darkroom doctor`: what is wrong with an installation, and how to mend it. Imports none of the three rooms."""
