// Package integration has the tests of the client against a real server. They
// have the build tag "integration" and are run by test/clients/go-client.test.ts in
// the repository, which starts the server.
package integration
