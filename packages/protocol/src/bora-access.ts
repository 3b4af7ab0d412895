import { z } from 'zod';
import { pageSize, queryInteger, queryList, queryValue } from './query-values.ts';

/** Keys, workspaces and the audit log, under `/bora/v1`. None of it is in Mistral's API. Times are Unix seconds. */

export const KEY_SCOPES = ['read', 'write', 'admin'] as const;

/** A name as people give one: of a key, a user, a workspace. */
const name = z.string().trim().min(1).max(100);

export const apiKey = z.object({
  id: z.string(),
  object: z.literal('api_key'),
  /** First characters of the key; the whole of it is shown once, when it is made. */
  prefix: z.string(),
  name,
  /** Whose it is; null if it was made for nobody in particular. */
  user: z.string().nullable(),
  scope: z.enum(KEY_SCOPES),
  workspace_id: z.string(),
  workspace: z.string(),
  state: z.enum(['live', 'expired', 'revoked']),
  created_at: z.int(),
  expires_at: z.int().nullable(),
  /** To within ten minutes; null if it never was. */
  last_used_at: z.int().nullable(),
  revoked_at: z.int().nullable(),
});
export type ApiKey = z.infer<typeof apiKey>;

export const apiKeyList = z.object({ data: z.array(apiKey), object: z.literal('list') });
export type ApiKeyList = z.infer<typeof apiKeyList>;

/** `POST /bora/v1/keys` */
export const createApiKey = z.object({
  name,
  /** Made if it does not exist. */
  workspace: name.default('default'),
  user: name.nullish(),
  scope: z.enum(KEY_SCOPES).default('write'),
  expires_at: z.int().min(0).nullish(),
});
export type CreateApiKey = z.input<typeof createApiKey>;

/** The only answer that holds the key. */
export const createdApiKey = apiKey.extend({ key: z.string() });
export type CreatedApiKey = z.infer<typeof createdApiKey>;

export const revokedApiKey = z.object({
  id: z.string(),
  object: z.literal('api_key'),
  revoked: z.boolean(),
});
export type RevokedApiKey = z.infer<typeof revokedApiKey>;

const limit = z.int().min(1).nullable();

/** A workspace's own limits; null = what the installation says for all. */
export const workspaceLimits = z.object({
  max_pending_requests: limit,
  max_active_jobs: limit,
  max_file_lines: limit,
  max_file_bytes: limit,
  max_stored_bytes: limit,
});
export type WorkspaceLimits = z.infer<typeof workspaceLimits>;

/** Share of the work when several workspaces want it: one of weight 3 gets three times what one of weight 1 gets. */
const weight = z.number().min(0.01).max(1000);

export const workspace = z.object({
  id: z.string(),
  object: z.literal('workspace'),
  name,
  weight,
  limits: workspaceLimits,
  created_at: z.int(),
  /** Null while it is enabled. */
  disabled: z.object({ at: z.int(), reason: z.string() }).nullable(),
});
export type Workspace = z.infer<typeof workspace>;

export const workspaceList = z.object({ data: z.array(workspace), object: z.literal('list') });
export type WorkspaceList = z.infer<typeof workspaceList>;

/** `GET /bora/v1/workspaces/{workspace}` */
export const workspaceDetails = workspace.extend({
  usage: z.object({
    pending_requests: z.int(),
    active_jobs: z.int(),
    files: z.int(),
    stored_bytes: z.int(),
  }),
});
export type WorkspaceDetails = z.infer<typeof workspaceDetails>;

/** `POST /bora/v1/workspaces` */
export const createWorkspace = z.object({
  name,
  weight: weight.optional(),
  limits: workspaceLimits.partial().optional(),
});
export type CreateWorkspace = z.infer<typeof createWorkspace>;

/** `PATCH /bora/v1/workspaces/{workspace}`: what is named changes. `disabled` is the reason that its keys are told, or null. */
export const changeWorkspace = z.object({
  weight: weight.optional(),
  limits: workspaceLimits.partial().optional(),
  disabled: z.string().trim().min(1).max(500).nullish(),
});
export type ChangeWorkspace = z.infer<typeof changeWorkspace>;

export const AUDIT_ACTIONS = [
  'file.create',
  'file.delete',
  'batch_job.create',
  'batch_job.cancel',
  'batch_job.delete',
  'api_key.create',
  'api_key.revoke',
  'workspace.create',
  'workspace.limits',
  'workspace.weight',
  'workspace.disable',
  'workspace.enable',
] as const;

export const auditEntry = z.object({
  id: z.int(),
  at: z.int(),
  action: z.enum(AUDIT_ACTIONS),
  workspace_id: z.string(),
  workspace: z.string(),
  /** Null without keys, and for the command line, which works on the data folder. */
  key_id: z.string().nullable(),
  user: z.string().nullable(),
  ip: z.string().nullable(),
  /** Id of the file, job, key or workspace. */
  subject_id: z.string(),
  detail: z.record(z.string(), z.unknown()).nullable(),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** `GET /bora/v1/audit`, newest first. `next` is the `before` of the next page. */
export const auditPage = z.object({
  data: z.array(auditEntry),
  object: z.literal('list'),
  next: z.int().nullable(),
});
export type AuditPage = z.infer<typeof auditPage>;

/** Unix seconds, or a date such as `2026-05-01` or `2026-05-01T10:00:00Z`; as milliseconds. */
const moment = z.preprocess(
  (value) => {
    const text = queryValue(value);
    if (typeof text !== 'string') return text;
    return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  },
  z.number({ error: 'Input should be Unix seconds or a date such as 2026-05-01T10:00:00Z' }).optional(),
);

export const auditQuery = z.object({
  page_size: pageSize,
  before: z.preprocess(queryInteger, z.int().optional()),
  from: moment,
  to: moment,
  action: z.preprocess(queryList, z.array(z.enum(AUDIT_ACTIONS)).optional()),
  /** Name or id. */
  workspace: z.preprocess(queryValue, z.string().optional()),
  subject_id: z.preprocess(queryValue, z.string().optional()),
});
export type AuditQuery = z.infer<typeof auditQuery>;
