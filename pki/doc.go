// Package pki is the lab certificate authority: it issues good certificates,
// certificates with exactly one thing wrong, and revocation lists.
//
// The way of a certificate:
//
//  1. New makes an Authority in memory; Open keeps one in a folder.
//  2. Authority.Issue makes a leaf, with a Flaw when a case asks for one.
//  3. Authority.Revoke and RevocationList take a leaf back.
//  4. Credentials carry key pairs, roots, lists and secrets by name to a
//     worker process, as JSON over its standard input.
//  5. The worker turns them into crypto/tls terms, and ParseRevocationList
//     into a Revoked, which its guard asks for every certificate.
//
// Invariants:
//
//   - A leaf has one extended key usage, a serial of 16 octets and a start a
//     few minutes ago; a flawed one differs from a good one in its flaw only.
//   - Authority and leaves have keys of one type. A chain that is padded has
//     the size asked for, to the byte wherever DER can express it.
//   - A revocation list that is unparsable, stale or not signed by a trusted
//     authority is an error, never "nothing revoked".
//   - Nothing that holds a key or a secret shows it when printed.
//   - Only Open writes files, and only it and the authority it returns; keys
//     have mode 0600 in folders of mode 0700.
package pki
