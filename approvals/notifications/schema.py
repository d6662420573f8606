"""What stands in the JSON of a webhook, as a JSON Schema: version 1.

A receiver that knows version 1 goes on working: kinds of news and fields are added, and none that
is there changes its meaning or goes away. What would break that is another number under `schema`.
"""

from typing import Any

from approvals.notifications.messages import TOPICS, fact_labels

VERSION = 1


def payload_schema() -> dict[str, Any]:
    """The schema, as it is served."""
    told = sorted(
        key for key, topic in TOPICS.items() if topic.by_webhook and not topic.is_personal
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Countersign news",
        "description": "The body of a webhook, signed after the Standard Webhooks specification.",
        "type": "object",
        "required": ["type", "schema", "id", "timestamp", "summary", "data"],
        "properties": {
            "type": {
                "type": "string",
                "description": "What has happened. There may be more kinds than these one day: "
                "answer with a 2xx status to those that you do not know.",
                "anyOf": [
                    *(
                        {"const": topic, "description": TOPICS[topic].subject.format_map(_Named())}
                        for topic in told
                    ),
                    {"const": "test", "description": "The test button."},
                    {"type": "string"},
                ],
            },
            "schema": {"const": VERSION, "description": "The version of this document."},
            "id": {
                "type": "string",
                "description": "The same on every try: what was had before can be dropped by it.",
            },
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened.",
            },
            "summary": {"type": "string", "description": "The news in a sentence."},
            "data": {
                "type": "object",
                "description": "What the news is about; absent is what it has nothing to do with.",
                "properties": {
                    **{
                        key: {"type": "string", "description": label}
                        for key, label in fact_labels().items()
                    },
                    "stage_id": {"type": "string", "format": "uuid", "description": "Stage id"},
                    "reason": {
                        "type": "string",
                        "description": "Why, in the words of whoever did it, or of Countersign.",
                    },
                    "url": {
                        "type": "string",
                        "format": "uri",
                        "description": "The page about it, where COUNTERSIGN_URL is set.",
                    },
                },
                "additionalProperties": {"type": "string"},
            },
        },
    }


class _Named(dict[str, str]):
    """Fills a subject with the names of its fields."""

    def __missing__(self, key: str) -> str:
        return {"name": "package@version", "more": ""}.get(key, key)
