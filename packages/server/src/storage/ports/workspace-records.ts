import type { Actor } from './audit-records.ts';

/** Workspaces: tenants with limits, a weight, and a switch. */
export interface WorkspaceRecords {
  /** The workspace that exists from the first start, used where no key says otherwise. */
  defaultWorkspace(): Promise<WorkspaceRecord>;

  /** Null if the name is taken by another workspace. Repeating it with the same id answers the existing one. */
  createWorkspace(workspace: NewWorkspace, by?: Actor): Promise<WorkspaceRecord | null>;

  /** By name. */
  listWorkspaces(): Promise<WorkspaceRecord[]>;

  /** By id or by name. */
  getWorkspace(idOrName: string): Promise<WorkspaceRecord | null>;

  /** What it uses of its limits now. Null if there is no such workspace. */
  workspaceUsage(workspaceId: string): Promise<WorkspaceUsage | null>;

  /**
   * Changes what is named and leaves the rest; all of it holds for the next call and the next claim. While a workspace is disabled
   * its shards are not claimed; what is leased may be committed or released. Once enabled again it takes its turn among the others
   * as if it had just come: the time away earns no credit. Null if there is no such workspace. Each change is audited.
   */
  changeWorkspace(workspaceId: string, change: WorkspaceChange, by?: Actor): Promise<WorkspaceRecord | null>;

  /** Ids of those that are disabled, for workers that hold shards of them. */
  disabledWorkspaces(): Promise<string[]>;
}

export const WORKSPACE_LIMITS = [
  'maxPendingRequests',
  'maxActiveJobs',
  'maxFileLines',
  'maxFileBytes',
  'maxStoredBytes',
] as const;

/** A workspace's own limits; null = what the installation says for all. */
export type WorkspaceLimits = Readonly<Record<(typeof WORKSPACE_LIMITS)[number], number | null>>;

export interface NewWorkspace {
  readonly id: string;
  /** Unique. */
  readonly name: string;
  /** Default 1. */
  readonly weight?: number;
  readonly limits?: Partial<WorkspaceLimits>;
}

export interface WorkspaceRecord {
  readonly id: string;
  readonly name: string;
  /** Share of the work when several workspaces want it; more than 0. */
  readonly weight: number;
  readonly limits: WorkspaceLimits;
  readonly createdAt: number;
  /** Null while it is enabled. */
  readonly disabled: { readonly at: number; readonly reason: string } | null;
}

export interface WorkspaceChange {
  readonly weight?: number;
  readonly limits?: Partial<WorkspaceLimits>;
  /** A reason, which its keys are told, or null to enable it again. */
  readonly disabled?: string | null;
}

export interface WorkspaceUsage {
  /** Requests of unfinished jobs that have no outcome yet. */
  readonly pendingRequests: number;
  readonly activeJobs: number;
  /** Files that are there to see, results included, and their bytes; with parts of uploads that are not complete. */
  readonly files: number;
  readonly storedBytes: number;
}
