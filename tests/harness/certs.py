"""Certificates for TLS tests, made by the openssl command in a directory; and a client that takes any of them."""

import ssl
import subprocess
import warnings
from pathlib import Path


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}"


class Authority:
    """A certificate authority of its own in DIRECTORY; `ca` is the file to trust.

    Each method returns (certificate file, key file).
    """

    def __init__(self, directory, name="Test CA"):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self.directory / "ca.pem"
        self.ca_key = self.directory / "ca.key"
        _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",  # Python 3.13 insists
             "-keyout", self.ca_key, "-out", self.ca)

    def good(self, names=("DNS:localhost", "IP:127.0.0.1")):
        """For localhost and 127.0.0.1, valid for two days."""
        return self._issue("good", names)

    def rsa(self):
        """As good(), with an RSA key."""
        return self._issue("rsa", ("DNS:localhost", "IP:127.0.0.1"), algorithm=("rsa:2048",))

    def wrong_host(self):
        return self._issue("wrong", ("DNS:elsewhere.example",))

    def expired(self):
        """Was valid for one day, a long time ago."""
        return self._issue("expired", ("DNS:localhost", "IP:127.0.0.1"), ("20200101000000Z", "20200102000000Z"))

    def not_yet(self):
        return self._issue("notyet", ("DNS:localhost", "IP:127.0.0.1"), ("20980101000000Z", "20990101000000Z"))

    def sha1(self):
        """Right in all but that it is signed with SHA-1."""
        return self._issue("sha1", ("DNS:localhost", "IP:127.0.0.1"), digest="sha1")

    def client(self, name="client"):
        """For a client."""
        return self._issue(name, ("DNS:client.example",))

    def revoke(self, *certs, over=False):
        """A new list of this authority that revokes CERTS; with OVER one whose next update was long ago."""
        base = [*_openssl_ca(self), "-config", self._database("crl", ())]
        for cert in certs:
            _run(*base, "-revoke", cert)
        dates = ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"] if over else ["-crldays", "2"]
        _run(*base, "-gencrl", *dates, "-out", self.directory / "list.pem")
        return self.directory / "list.pem"

    def self_signed(self):
        """Right host, but signed by itself."""
        cert, key = self.directory / "self.pem", self.directory / "self.key"
        _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", key, "-out", cert)
        return cert, key

    def _issue(self, stem, names, window=None, digest="sha256", algorithm=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        cert, key = self.directory / f"{stem}.pem", self.directory / f"{stem}.key"
        request = self.directory / f"{stem}.csr"
        _run("openssl", "req", "-newkey", *algorithm, "-nodes",
             "-subj", f"/CN={stem}", "-keyout", key, "-out", request)
        # `openssl ca` is the only one of OpenSSL 3.0 that sets both ends of the validity
        dates = ["-startdate", window[0], "-enddate", window[1]] if window else ["-days", "2"]
        _run(*_openssl_ca(self), "-config", self._database(stem, names, digest), "-in", request, "-out", cert, *dates)
        return cert, key

    def _database(self, stem, names, digest="sha256"):
        """The configuration of `openssl ca`, with an empty database."""
        conf = self.directory / f"{stem}.cnf"
        database = self.directory / f"{stem}.db"
        database.write_text("")
        conf.write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={database}\nnew_certs_dir={self.directory}\n"
                        f"rand_serial=yes\ndefault_md={digest}\npolicy=p\nunique_subject=no\nx509_extensions=e\n"
                        f"[p]\ncommonName=supplied\n[e]\n" + (f"subjectAltName={','.join(names)}\n" if names else "") +
                        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        return conf


def _openssl_ca(authority):
    return "openssl", "ca", "-batch", "-notext", "-cert", authority.ca, "-keyfile", authority.ca_key


def trusting(low=None, high=None, ciphers=None) -> ssl.SSLContext:
    """A client's context that believes any server. LOW, HIGH: versions (ssl.TLSVersion), also those that Python warns of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if low:
            context.minimum_version = low
        if high:
            context.maximum_version = high
    if ciphers:
        context.set_ciphers(ciphers)
    return context
