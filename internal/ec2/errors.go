package ec2

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/server/wire"
)

// Codes of the API.
const (
	codeParameter    = "InvalidParameterValue"
	codeMissing      = "MissingParameter"
	codeUnknown      = "UnknownParameter"
	codeUnsupported  = "UnsupportedOperation"
	codeAction       = "InvalidAction"
	codeDenied       = "UnauthorizedOperation"
	codeNotPermitted = "OperationNotPermitted"
	codeNoAllocation = "InvalidAllocationID.NotFound"
	codeNoAddress    = "InvalidAddress.NotFound"
	codeHasName      = "InvalidAddress.PtrSet"
	codeLimit        = "AddressLimitExceeded"
	codeDryRun       = "DryRunOperation"
	codeUnavailable  = "Unavailable"
)

// statuses are the HTTP statuses of codes; the others have 400.
var statuses = map[string]int{
	"AuthFailure":                http.StatusUnauthorized,
	"MissingAuthenticationToken": http.StatusForbidden,
	"SignatureDoesNotMatch":      http.StatusForbidden,
	"RequestEntityTooLarge":      http.StatusRequestEntityTooLarge,
	"RequestLimitExceeded":       http.StatusServiceUnavailable,
	codeDenied:                   http.StatusForbidden,
	codeDryRun:                   http.StatusPreconditionFailed,
	codeUnavailable:              http.StatusServiceUnavailable,
}

func faultf(code, format string, args ...any) *awsapi.Fault {
	status := statuses[code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &awsapi.Fault{Status: status, Code: code, Text: fmt.Sprintf(format, args...)}
}

// faultOf returns the fault that an error is.
func faultOf(err error) *awsapi.Fault {
	var own *awsapi.Fault
	var refusal *awsapi.Refusal
	var signature *sigv4.Error
	var change *update.Fault
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refusal):
		return faultf(refusalCodes[refusal.Cause], "%s", refusal.Text)
	case errors.As(err, &signature):
		return faultf(signatureCodes[signature.Reason], "%s", signature.Text)
	case errors.As(err, &change) && change.RCode != wire.RCodeServFail:
		return faultf(codeNotPermitted, "The reverse name cannot be changed: %s", change.Text)
	}
	return faultf(codeUnavailable, "The change could not be carried out.")
}

var refusalCodes = map[awsapi.Cause]string{
	awsapi.Denied:    codeDenied,
	awsapi.Throttled: "RequestLimitExceeded",
	awsapi.TooLarge:  "RequestEntityTooLarge",
	awsapi.TimedOut:  "RequestTimeout",
}

var signatureCodes = map[sigv4.Reason]string{
	sigv4.Missing:    "MissingAuthenticationToken",
	sigv4.Incomplete: "IncompleteSignature",
	sigv4.UnknownKey: "AuthFailure",
	sigv4.Mismatch:   "SignatureDoesNotMatch",
	sigv4.Expired:    "RequestExpired",
}

// writeFault returns the body of a response with an error.
func writeFault(f *awsapi.Fault, requestID string) ([]byte, error) {
	var v struct {
		Code      string `xml:"Errors>Error>Code"`
		Message   string `xml:"Errors>Error>Message"`
		RequestID string
	}
	v.Code, v.Message, v.RequestID = f.Code, f.Text, requestID
	return awsapi.XML("", "Response", v)
}
