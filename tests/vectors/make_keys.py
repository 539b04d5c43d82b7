#!/usr/bin/env python3
"""Makes tests/vectors/keys.json: fake keys and certificates for vectors. Run once, needs PyPI's `cryptography`.

    python3 tests/vectors/make_keys.py

The result is checked in, since keys are random: another run would change every vector that is signed with them.
"""

import datetime
import json
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

day = lambda year: datetime.datetime(year, 1, 1)
name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
keys, certificates = {}, {}


def key(label):
    keys[label] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return keys[label]


def certificate(label, subject, signer, issuer, names=None, begin=2020, end=2060, authority=False):
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
               .public_key(keys[label].public_key()).serial_number(len(certificates) + 1)
               .not_valid_before(day(begin)).not_valid_after(day(end))
               .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(text) for text in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    made = builder.sign(keys[signer], hashes.SHA256())
    certificates[label] = {"pem": made.public_bytes(serialization.Encoding.PEM).decode()}


ROOT, MIDDLE, FOREIGN = "Fake Root for Tests", "Fake Intermediate for Tests", "Fake Foreign Root"
SANDBOX = ["messageverificationcerts.sandbox.paypal.com"]
SNS = ["sns.amazonaws.com", "sns.us-west-2.amazonaws.com"]
for label in ("root", "middle", "foreign", "paypal", "sns", "regional", "elsewhere", "expired", "forged", "jwt", "jwt_next"):
    key(label)
certificate("root", ROOT, "root", ROOT, authority=True)
certificate("middle", MIDDLE, "root", ROOT, authority=True)
certificate("foreign", FOREIGN, "foreign", FOREIGN, authority=True)
certificate("paypal", SANDBOX[0], "middle", MIDDLE, SANDBOX)
certificate("sns", SNS[0], "middle", MIDDLE, SNS)
certificate("regional", "sns-signing.af-south-1.amazonaws.com", "middle", MIDDLE, ["sns-signing.af-south-1.amazonaws.com"])
certificate("elsewhere", "www.example.com", "middle", MIDDLE, ["www.example.com"])
certificate("expired", SNS[0], "middle", MIDDLE, SNS + SANDBOX, begin=2020, end=2021)
certificate("forged", SNS[0], "foreign", FOREIGN, SNS + SANDBOX)

out = {}
for label, secret in keys.items():
    numbers = secret.private_numbers()
    out[label] = {"n": format(numbers.public_numbers.n, "x"), "d": format(numbers.d, "x"), **certificates.get(label, {})}
path = pathlib.Path(__file__).parent / "keys.json"
path.write_text(json.dumps(out, indent=1) + "\n")
