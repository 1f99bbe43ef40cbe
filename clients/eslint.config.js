// Run it from the repository's root: eslint looks at nothing outside of the directory that it is started in.
import graphql from '@graphql-eslint/eslint-plugin';

const schema = 'docs/schema.graphql';
const documents = ['examples/*.graphql', 'clients/operations/*.graphql'];

const lint = (files, rules) => ({
  files,
  plugins: { '@graphql-eslint': graphql },
  languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema, documents } } },
  linterOptions: { reportUnusedDisableDirectives: 'error' },
  rules,
});

// What has no id of its own: it is computed, or part of something that has one.
const values = [
  'ActionEffect', 'AllocationCheck', 'AnytimeChange', 'BenchmarkComparison', 'Bounce', 'Brand',
  'CalibrationBin', 'CategoryTexts', 'ChangeExplanation', 'ChangeGroup', 'ChangePart', 'ChangePoint',
  'ChangePoints', 'Curve', 'Driver', 'DriverPart', 'DriverValue', 'Drivers', 'EmailSnippet',
  'EventOccasion', 'Experiment', 'ExperimentVariant', 'Feedback', 'FeedbackEvent', 'FeedbackGroup',
  'Hotspot', 'Hotspots', 'HourPoint', 'InvitationMail', 'InvitationPreview', 'Level', 'MailSender',
  'NextStep', 'Occasion', 'OnceOccasion', 'OutreachLimits', 'OutreachSettings', 'PageInfo', 'Placebos',
  'PlannedDay', 'PlannedInvitation', 'PredictedGroup', 'Prediction', 'PredictionModel', 'Reach',
  'Rebuild', 'RecurringOccasion', 'SamplePlan', 'Schedule', 'Score', 'ScoreChange', 'ScoreInterval',
  'SegmentRule', 'SendWindow', 'ShrunkScore', 'SkipCount', 'Survey', 'SurveyLink', 'SurveyTexts',
  'TraitCondition', 'TraitValue', 'TrendPoint', 'UserError', 'Variant', 'VariantComparison', 'Viewer',
  'Widget', 'Wording',
];

export default [
  lint([schema], {
    ...graphql.configs['flat/schema-recommended'].rules,
    '@graphql-eslint/strict-id-in-types': ['error', { exceptions: { types: values, suffixes: ['Connection', 'Edge', 'Payload'] } }],
  }),
  lint(documents, graphql.configs['flat/operations-recommended'].rules),
];
