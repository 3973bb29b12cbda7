"""Learn good cloth from a folder, score a picture, and draw what stands out in it.

python from_a_script.py GOOD PICTURE OUT
"""

import sys
from pathlib import Path

import glass_core

good, picture, out = map(Path, sys.argv[1:4])
config = glass_core.TrainConfig(profile="quick", backbone="embedded", tile_px=96, epochs=2)  # embedded: no weights needed
glass_core.train(good, config, out / "run")

scores = glass_core.load(out / "run").score(picture)
print(f"score {scores.score:.3f}, highest in lane {scores.lanes.index(max(scores.lanes))}")
glass_core.draw_map(picture, scores, out / "map.png")
