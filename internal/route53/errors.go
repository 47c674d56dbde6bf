package route53

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/sigv4"
)

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

func faultf(code, format string, args ...any) *awsapi.Fault {
	status := statuses[code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &awsapi.Fault{Status: status, Code: code, Text: fmt.Sprintf(format, args...)}
}

func invalidInput(format string, args ...any) *awsapi.Fault {
	return faultf(hosted.InvalidInput, format, args...)
}

// faultOf returns the fault that an error is.
func faultOf(err error) *awsapi.Fault {
	var own *awsapi.Fault
	var refusal *awsapi.Refusal
	var of *hosted.Fault
	var signature *sigv4.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refusal):
		return faultf(refusalCodes[refusal.Cause], "%s", refusal.Text)
	case errors.As(err, &of):
		return faultf(of.Code, "%s", of.Error())
	case errors.As(err, &signature):
		return faultf(signatureCodes[signature.Reason], "%s", signature.Text)
	}
	return faultf(hosted.ServiceUnavailable, "The request could not be carried out.")
}

var refusalCodes = map[awsapi.Cause]string{
	awsapi.Denied:    "AccessDenied",
	awsapi.Throttled: "Throttling",
	awsapi.TooLarge:  "RequestEntityTooLarge",
	awsapi.TimedOut:  "RequestTimeout",
}

var signatureCodes = map[sigv4.Reason]string{
	sigv4.Missing:    "MissingAuthenticationToken",
	sigv4.Incomplete: "IncompleteSignature",
	sigv4.UnknownKey: "InvalidClientTokenId",
	sigv4.Mismatch:   "SignatureDoesNotMatch",
	sigv4.Expired:    "SignatureDoesNotMatch",
}

// writeFault returns the body of a response with an error.
func writeFault(f *awsapi.Fault, requestID string) ([]byte, error) {
	var v struct {
		Error struct {
			Type    string
			Code    string
			Message string
		}
		RequestID string `xml:"RequestId"`
	}
	v.Error.Type, v.Error.Code, v.Error.Message, v.RequestID = f.Type(), f.Code, f.Text, requestID
	return awsapi.XML(namespace, "ErrorResponse", v)
}
