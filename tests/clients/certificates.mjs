// Certificates in files, made with openssl.
import { join } from "node:path";

import { must } from "./process.mjs";

/// An authority and a certificate for localhost and 127.0.0.1, in files of this directory.
export async function makeCertificates(directory) {
  const file = (name) => join(directory, name);
  const openssl = (...words) => must("openssl", words);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const ca = { cert: file("ca.pem"), key: file("ca.key") };
  const server = { cert: file("server.pem"), key: file("server.key"), request: file("server.csr") };
  await openssl("req", "-x509", ...key, "-keyout", ca.key, "-out", ca.cert, "-subj", "/CN=authority", "-days", "2");
  await openssl("req", ...key, "-keyout", server.key, "-out", server.request, "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  await openssl("x509", "-req", "-in", server.request, "-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial",
    "-copy_extensions", "copy", "-days", "2", "-out", server.cert);
  return { ca: ca.cert, cert: server.cert, key: server.key, otherKey: ca.key };
}
