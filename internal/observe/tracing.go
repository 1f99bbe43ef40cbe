package observe

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// wanted reports whether OpenTelemetry's settings ask for traces. The error is for those that we cannot follow.
func wanted(getenv func(string) string) (bool, error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	endpoint := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "":
		if endpoint == "" {
			return false, nil
		}
	case "otlp":
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not known here, want otlp or none", exporter)
	}
	variable := "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" // goes before the other
	if getenv(variable) == "" {
		variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
	}
	if protocol := getenv(variable); protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("%s: %q is not known here, want http/protobuf", variable, protocol)
	}
	return true, nil
}

// startTracing begins to send traces by OTLP over HTTP, where the settings ask for it. What they say beyond that, where
// to, how often and for whom, the SDK reads from the environment.
func (o *Observer) startTracing(ctx context.Context, getenv func(string) string) error {
	if on, err := wanted(getenv); err != nil || !on {
		return err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("preparing to send traces: %w", err)
	}
	us, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "zeroten")),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return fmt.Errorf("naming the traces' source: %w", err)
	}
	// The SDK has one place for what goes wrong in the background, the process's.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.log.Warn("sending traces", "error", err.Error()) }))
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(us))
	o.tracer, o.stop = provider.Tracer("github.com/zeroten/zeroten"), provider.Shutdown
	return nil
}
