import type { CodegenConfig } from '@graphql-codegen/cli';

export default {
  schema: '../docs/schema.graphql',
  documents: 'operations/*.graphql',
  generates: {
    'generated/': {
      preset: 'client',
      config: {
        // A scalar that is not named here is an error, and not `any`.
        strictScalars: true,
        defaultScalarType: 'unknown',
        // What may be null is there all the same.
        avoidOptionals: { field: true },
        enumsAsTypes: true,
        useTypeImports: true,
        scalars: {
          ID: 'string',
          DateTime: 'string',
          Date: 'string',
          TimeZone: 'string',
          Locale: 'string',
          EmailAddress: 'string',
          URL: 'string',
          Color: 'string',
          Base64: 'string',
          FilterObject: 'FeedbackFilter',
          Traits: 'Readonly<Record<string, string | number | boolean>>',
        },
      },
    },
  },
} satisfies CodegenConfig;
