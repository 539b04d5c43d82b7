"""Read Kafka records with the official CloudEvents SDK for Python: an outside reader of what hookstream writes.

Standard input: one JSON object per line, {"headers": {name: text}, "key": text, "value_base64": text}.
Standard output: one JSON object per line, {"mode", "attributes", "data" or "data_base64"}, as the SDK understood the record.
Exit status 1, and a line on standard error, for the first record that the SDK or the binding's rules refuse.

The mode is chosen as the Kafka protocol binding says (section 3): by content-type. The SDK's own from_kafka looks for ce_
headers instead, although the binding allows them beside structured values; so the SDK is called by mode.
"""

import base64
import json
import sys
from datetime import datetime

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat


def text(value):
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def check(condition, message):
    if not condition:
        raise ValueError(message)


def read(line):
    record = json.loads(line)
    headers = {name: value.encode() for name, value in record["headers"].items()}
    message = KafkaMessage(headers=headers, key=record["key"], value=base64.b64decode(record["value_base64"]))
    structured = headers.get("content-type", b"").lower().startswith(b"application/cloudevents")
    event = (from_structured if structured else from_binary)(message, JSONFormat())
    attributes = {name: text(value) for name, value in event.get_attributes().items()}
    check(attributes.pop("partitionkey", None) == record["key"], "the SDK did not see the key")
    for name, value in record["headers"].items():
        if name.startswith("ce_"):
            seen = attributes.get(name.removeprefix("ce_"))
            check(seen == value, f"{name} is {value!r} in the header and {seen!r} in the event")
    data = event.get_data()
    # The SDK gives a JSON body of binary mode as an object and any other as text or bytes.
    if isinstance(data, (bytes, bytearray)):
        payload = {"data_base64": base64.b64encode(data).decode()}
    else:
        payload = {} if data is None else {"data": data}
    return {"mode": "structured" if structured else "binary", "attributes": attributes, **payload}


def main():
    for number, line in enumerate(sys.stdin, 1):
        try:
            print(json.dumps(read(line)))
        except Exception as error:
            print(f"record {number}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
