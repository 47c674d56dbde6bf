package route53

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/sigv4"
)

// fault is an error as the API has it.
type fault struct {
	status int
	code   string
	text   string
}

func (f *fault) Error() string { return f.code + ": " + f.text }

// statuses are the HTTP statuses of codes; the others have 400.
var statuses = map[string]int{
	"AccessDenied":                 http.StatusForbidden,
	"MissingAuthenticationToken":   http.StatusForbidden,
	"InvalidClientTokenId":         http.StatusForbidden,
	"SignatureDoesNotMatch":        http.StatusForbidden,
	"UnknownOperationException":    http.StatusNotFound,
	hosted.HostedZoneAlreadyExists: http.StatusConflict,
	hosted.NoSuchHostedZone:        http.StatusNotFound,
	hosted.NoSuchChange:            http.StatusNotFound,
	hosted.ServiceUnavailable:      http.StatusServiceUnavailable,
	"NoSuchHealthCheck":            http.StatusNotFound,
	"RequestEntityTooLarge":        http.StatusRequestEntityTooLarge,
	"MethodNotAllowed":             http.StatusMethodNotAllowed,
}

func faultf(code, format string, args ...any) *fault {
	status := statuses[code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &fault{status, code, fmt.Sprintf(format, args...)}
}

func invalidInput(format string, args ...any) *fault {
	return faultf(hosted.InvalidInput, format, args...)
}

// faultOf returns the fault that an error is.
func faultOf(err error) *fault {
	var own *fault
	var of *hosted.Fault
	var signature *sigv4.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &of):
		return faultf(of.Code, "%s", of.Error())
	case errors.As(err, &signature):
		return faultf(signatureCodes[signature.Reason], "%s", signature.Text)
	}
	return faultf(hosted.ServiceUnavailable, "The request could not be carried out.")
}

var signatureCodes = map[sigv4.Reason]string{
	sigv4.Missing:    "MissingAuthenticationToken",
	sigv4.Incomplete: "IncompleteSignature",
	sigv4.UnknownKey: "InvalidClientTokenId",
	sigv4.Mismatch:   "SignatureDoesNotMatch",
	sigv4.Expired:    "SignatureDoesNotMatch",
}
