/* wrk and h2load cannot present a client certificate. Preloaded, this gives
   one to every context that they make: the files named in PEERS_CERT and
   PEERS_KEY. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
typedef struct ssl_ctx_st SSL_CTX;
int SSL_CTX_use_certificate_chain_file(SSL_CTX *, const char *);
int SSL_CTX_use_PrivateKey_file(SSL_CTX *, const char *, int);
SSL_CTX *SSL_CTX_new(const void *method) {
	SSL_CTX *(*make)(const void *) = dlsym(RTLD_NEXT, "SSL_CTX_new");
	SSL_CTX *ctx = make(method);
	if (ctx && (SSL_CTX_use_certificate_chain_file(ctx, getenv("PEERS_CERT")) != 1 ||
		    SSL_CTX_use_PrivateKey_file(ctx, getenv("PEERS_KEY"), 1 /* PEM */) != 1))
		abort(); /* a row without its certificate would be another row */
	return ctx;
}
