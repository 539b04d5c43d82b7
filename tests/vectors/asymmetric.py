"""Ed25519 (RFC 8032) and ECDSA over P-256 in plain Python: slow, short, and nothing that hookstream uses."""

import hashlib

# Ed25519 ------------------------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, -1, P)
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 != sign else x


def ed_add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2
    return ((x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P)


def ed_mul(scalar, point):
    out = (0, 1)
    while scalar:
        if scalar & 1:
            out = ed_add(out, point)
        point, scalar = ed_add(point, point), scalar >> 1
    return out


ED_BASE = (recover_x(BASE_Y, 0), BASE_Y)


def ed_encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def ed_expand(seed):
    digest = hashlib.sha512(seed).digest()
    return int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254, digest[32:]


def ed25519_public(seed):
    return ed_encode(ed_mul(ed_expand(seed)[0], ED_BASE))


def ed25519_sign(seed, message):
    scalar, prefix = ed_expand(seed)
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    commitment = ed_encode(ed_mul(nonce, ED_BASE))
    challenge = int.from_bytes(hashlib.sha512(commitment + ed25519_public(seed) + message).digest(), "little") % L
    return commitment + ((nonce + challenge * scalar) % L).to_bytes(32, "little")


# ECDSA over P-256 ---------------------------------------------------------------------------------------------------

Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def ec_add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % Q == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, Q)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, Q)
    x = (slope * slope - a[0] - b[0]) % Q
    return x, (slope * (a[0] - x) - a[1]) % Q


def ec_mul(scalar, point):
    out = None
    while scalar:
        if scalar & 1:
            out = ec_add(out, point)
        point, scalar = ec_add(point, point), scalar >> 1
    return out


def p256_public(private):
    """The SubjectPublicKeyInfo."""
    x, y = ec_mul(private, G)
    return SPKI + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def der_integer(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes([2, len(data)]) + data


def p256_sign(private, message):
    """In DER. The nonce comes from key and message, so that the same vector is written every time."""
    digest = hashlib.sha256(message).digest()
    nonce = int.from_bytes(hashlib.sha512(private.to_bytes(32, "big") + digest).digest(), "big") % (N - 1) + 1
    r = ec_mul(nonce, G)[0] % N
    s = pow(nonce, -1, N) * (int.from_bytes(digest, "big") + r * private) % N
    body = der_integer(r) + der_integer(s)
    return bytes([0x30, len(body)]) + body
