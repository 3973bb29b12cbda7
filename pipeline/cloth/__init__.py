"""The geometry of the cloth: what was inspected, where rolls begin, which regions are one defect. Pure."""
