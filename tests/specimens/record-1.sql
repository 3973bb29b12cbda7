BEGIN TRANSACTION;
CREATE TABLE camera_facts (run_id TEXT, camera TEXT, boot_id TEXT, t_utc_ns INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (run_id, camera, boot_id));
INSERT INTO "camera_facts" VALUES('20251122T082640.000000Z','left','b',1763800000000000000,'{}');
CREATE TABLE rejects (run_id TEXT, generation INTEGER, number INTEGER, verdict INTEGER NOT NULL, camera TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run_id, generation, number));
INSERT INTO "rejects" VALUES('20251122T082640.000000Z',0,0,1,'left','{"number": 0, "generation": 0, "verdict": 1, "camera": "left", "cause": "DEFECT", "reason": null, "start_mm": 25.6, "end_mm": 51.2, "x0_mm": null, "x1_mm": null, "t_mono_ns": 1}');
CREATE TABLE run (run_id TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (run_id, key));
INSERT INTO "run" VALUES('20251122T082640.000000Z','started','"2026-12-01T02:43:09.025791+00:00"');
INSERT INTO "run" VALUES('20251122T082640.000000Z','config','{"line": {"name": "loom-1", "roll_id": "R-0007"}, "cameras": [{"name": "left", "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}]}');
INSERT INTO "run" VALUES('20251122T082640.000000Z','version','"0.1.0"');
CREATE TABLE states (run_id TEXT, generation INTEGER, number INTEGER, state TEXT NOT NULL,
    inspection_ok INTEGER NOT NULL, t_utc_ns INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
INSERT INTO "states" VALUES('20251122T082640.000000Z',0,0,'RUNNING',1,1763800000000000000,'{"number": 0, "generation": 0, "state": "RUNNING", "inspection_ok": true, "detail": "", "t_mono_ns": 0, "t_utc_ns": 1763800000000000000}');
CREATE TABLE totals (run_id TEXT, generation INTEGER, body TEXT NOT NULL, PRIMARY KEY (run_id, generation));
INSERT INTO "totals" VALUES('20251122T082640.000000Z',0,'{"generation": 0, "verdicts": 3, "passed": 1, "defect": 1, "not_inspected": 1, "reasons": {"NO_SCORE": 1}, "late_scores": 0, "duplicates": 0, "rejects": 1, "rejects_inhibited": 0, "rescans": 0, "waiting": 0, "inspected_m": 0.0512, "not_inspected_m": 0.0256, "position_mm": 76.8, "speed_mm_s": 50.0, "latency_ms": {}, "cameras": {"left": {"frames": 3, "passed": 1, "defect": 1, "not_inspected": 1, "inspected_m": 0.0512, "lanes": [], "last": ""}}, "last_defect": "", "t_mono_ns": 9}');
CREATE TABLE verdicts (run_id TEXT, generation INTEGER, number INTEGER, camera TEXT NOT NULL, boot_id TEXT NOT NULL,
    seq INTEGER, result TEXT NOT NULL, reason TEXT, score REAL, start_mm REAL, end_mm REAL, roll_id TEXT NOT NULL,
    origin TEXT NOT NULL, latency_ms REAL, t_utc_ns INTEGER NOT NULL, tiles INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
INSERT INTO "verdicts" VALUES('20251122T082640.000000Z',0,0,'left','b',0,'PASS',NULL,0.25,0.0,25.6,'R-0007','',31.5,1763800000000000000,2,'{"number": 0, "generation": 0, "camera": "left", "boot_id": "b", "seq": 0, "result": "PASS", "reason": null, "detail": "", "score": 0.25, "lanes": [0.25, 0.125], "regions": [], "regions_total": 0, "start_mm": 0.0, "end_mm": 25.6, "rescan": false, "lost": 0, "roll_id": "R-0007", "style": "", "origin": "", "tiles": 2, "t_mono_ns": 0, "t_utc_ns": 1763800000000000000, "latency_ms": 31.5, "weights_sha": "", "engine_sha": "", "card_sha": "", "inspect_x_px": null, "frame_shape": null, "cells_shape": null}');
INSERT INTO "verdicts" VALUES('20251122T082640.000000Z',0,1,'left','b',1,'DEFECT',NULL,0.75,25.6,51.2,'R-0007','',32.5,1763800000000000001,2,'{"number": 1, "generation": 0, "camera": "left", "boot_id": "b", "seq": 1, "result": "DEFECT", "reason": null, "detail": "", "score": 0.75, "lanes": [0.125, 0.75], "regions": [{"x0_px": 8, "y0_px": 16, "x1_px": 24, "y1_px": 40, "score": 0.75, "x0_mm": 1.6, "x1_mm": 4.8, "y0_mm": 28.8, "y1_mm": 33.6}], "regions_total": 1, "start_mm": 25.6, "end_mm": 51.2, "rescan": false, "lost": 0, "roll_id": "R-0007", "style": "", "origin": "", "tiles": 2, "t_mono_ns": 1, "t_utc_ns": 1763800000000000001, "latency_ms": 32.5, "weights_sha": "", "engine_sha": "", "card_sha": "", "inspect_x_px": null, "frame_shape": [128, 256], "cells_shape": null}');
INSERT INTO "verdicts" VALUES('20251122T082640.000000Z',0,2,'left','b',2,'NOT_INSPECTED','NO_SCORE',NULL,51.2,7.68000000000000113695e+01,'R-0007','',NULL,1763800000000000002,0,'{"number": 2, "generation": 0, "camera": "left", "boot_id": "b", "seq": 2, "result": "NOT_INSPECTED", "reason": "NO_SCORE", "detail": "", "score": null, "lanes": [], "regions": [], "regions_total": 0, "start_mm": 51.2, "end_mm": 76.80000000000001, "rescan": false, "lost": 0, "roll_id": "R-0007", "style": "", "origin": "", "tiles": 0, "t_mono_ns": 2, "t_utc_ns": 1763800000000000002, "latency_ms": null, "weights_sha": "", "engine_sha": "", "card_sha": "", "inspect_x_px": null, "frame_shape": null, "cells_shape": null}');
COMMIT;
PRAGMA user_version=1;
