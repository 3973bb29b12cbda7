"""The line: from camera frames to reject signals, with every frame and every millimetre of web accounted for."""
