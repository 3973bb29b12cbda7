"""The part of OPC 40100-1 (Machine Vision, release 1.0) that a continuous line has, as data: nodes, states, and how ours map.

Numbers are those of the published namespace, so that a client which knows it finds what it looks for.
https://reference.opcfoundation.org/specs/OPC-40100-1/full: 8 state machines, 11 events, 12 data types.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.messages.states import State

NAMESPACE = "http://opcfoundation.org/UA/MachineVision"

SYSTEM_TYPE, STATE_MACHINE_TYPE, AUTOMATIC_TYPE = 1003, 1017, 1021
STATE_CHANGED, JOB_STARTED, READY, RESULT_READY, RECIPE_PREPARED = 1018, 1013, 1023, 1024, 1022


class VisionState(NamedTuple):
    """A state of one of the two machines: its node, and its number there."""

    node: int
    number: int


SYSTEM_STATES = {
    "Preoperational": VisionState(5028, 1), "Halted": VisionState(5029, 2), "Error": VisionState(5030, 3),
    "Operational": VisionState(5031, 4),
}  # fmt: skip
AUTOMATIC_STATES = {
    "Initialized": VisionState(5056, 5), "Ready": VisionState(5057, 6), "SingleExecution": VisionState(5058, 7),
    "ContinuousExecution": VisionState(5059, 8),
}  # fmt: skip

STANDING = {
    State.STARTING: ("Preoperational", "Initialized"),
    State.READY: ("Operational", "Ready"),
    State.RUNNING: ("Operational", "ContinuousExecution"),
    State.STOPPED: ("Operational", "ContinuousExecution"),
    State.DEGRADED: ("Operational", "ContinuousExecution"),
    State.FAULT: ("Error", "Initialized"),
    State.BYPASS: ("Operational", "Ready"),
}
"""By the line's state, those of the system and of its automatic mode. Cloth at rest is still the same job; in bypass nothing
that is found is acted on, so no job runs. A line that says nothing is Preoperational."""
SILENT = STANDING[State.STARTING]

COMPLETED = 1
"""ResultState of a result that is whole."""


class Field(NamedTuple):
    """A field of a structure: its name, the number of its type in the standard namespace, and whether it may be left out."""

    name: str
    type: int
    optional: bool = False


STRING, BYTES, TEXT = 12, 15, 21
BINARY_ID = (
    Field("Id", STRING), Field("Version", STRING, True), Field("Hash", BYTES, True), Field("HashAlgorithm", STRING, True),
    Field("Description", TEXT, True),
)  # fmt: skip


class Structure(NamedTuple):
    """A data type: its node, that of its binary encoding, and its fields."""

    node: int
    encoding: int
    fields: tuple[Field, ...]


STRUCTURES = {
    "JobIdDataType": Structure(3016, 5008, (Field("Id", STRING),)),
    "ResultIdDataType": Structure(3021, 5274, (Field("Id", STRING),)),
    "PartIdDataType": Structure(3004, 5013, (Field("Id", STRING), Field("Description", TEXT, True))),
    "MeasIdDataType": Structure(3015, 5006, (Field("Id", STRING), Field("Description", TEXT, True))),
    "RecipeIdInternalDataType": Structure(3013, 5268, BINARY_ID),
    "ConfigurationIdDataType": Structure(3008, 5090, BINARY_ID),
}

EVENTS = {
    STATE_CHANGED: ("StateChangedEventType", 2311, {}),
    JOB_STARTED: ("JobStartedEventType", 2041, {"JobId": 6141}),
    READY: ("ReadyEventType", 2041, {"JobId": 6294}),
    RECIPE_PREPARED: ("RecipePreparedEventType", 2041, {"InternalId": 6140}),
    RESULT_READY: (
        "ResultReadyEventType", 2041,
        {
            "CreationTime": 6303, "InternalConfigurationId": 6142, "InternalRecipeId": 6302, "IsPartial": 6296,
            "IsSimulated": 6297, "JobId": 6300, "MeasId": 6299, "PartId": 6304, "ResultContent": 6306, "ResultId": 6295,
            "ResultState": 6298,
        },
    ),
}  # fmt: skip
"""By its node: its name, the standard event that it is a kind of, and the nodes of its properties."""
