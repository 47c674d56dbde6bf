// Package awsapi serves APIs as clients of AWS call them: what Route 53 (package route53) and
// EC2 (package ec2) have in common.
//
//	request → limits → signature → Service.Find → policy of the key → Operation.Answer → XML
//
//	server.go  Server: HTTP, limits, request ids; every answer is XML
//	policy.go  who may use an API
//	fault.go   errors as clients see them
//
// Signatures are verified by package sigv4. A [Service] decides which operations there are, how
// errors are named and written, and all that is behind an operation.
package awsapi
