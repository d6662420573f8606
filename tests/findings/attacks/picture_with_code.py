"""Code behind a picture's last byte: the picture is shown as ever, and what follows is run.

As "img-aws-s3-object-multipart-copy" did (2024): read an image, take what follows its end or its
lowest bits, and evaluate it. Here what follows is one harmless sentence.

Post-mortem: "Fake AWS packages ship command and control malware in JPEG files" (Phylum, 2024-07).
In the staged tarball: an image that is longer than the image; a file that is read and evaluated.
"""

import struct
import zlib

from tests.findings.attack import Attack, release


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes((x * 16, 90, 160)) * 16 for x in range(16))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


_SOURCE = "exports.size = (bytes) => [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];\n"
_NEXT = _SOURCE.replace("exports.size = (bytes)", "exports.size = (bytes = Buffer.alloc(24))")
_FUNCTION = """
const bytes = require('fs').readFileSync(__dirname + '/sample.png');
const end = bytes.indexOf('IEND') + 8;
new Function('require', bytes.subarray(end).toString())(require);<<<code-from-data>>>
"""
_MACHINE = """
const fs = require('fs');
const vm = require('vm');
const path = require('path');
const sample = fs.readFileSync(path.join(__dirname, 'sample.png'));
const text = Array.from(sample.subarray(-47), (byte) => String.fromCharCode(byte)).join('');
vm.runInThisContext(text);<<<code-from-data>>>
"""
_TAIL = b"console.log('This is a replica: it does nothing');"

ATTACK = Attack(
    before=release("png-size", "1.0.0", {"index.js": _SOURCE, "sample.png": _png()}),
    unharmed=release("png-size", "1.0.1", {"index.js": _NEXT, "sample.png": _png()}),
    after={
        manner: release(
            "png-size", "1.0.1", {"index.js": _NEXT + code, "sample.png": _png() + _TAIL}
        )
        for manner, code in (("a new Function", _FUNCTION), ("vm", _MACHINE))
    },
)
