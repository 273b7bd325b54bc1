# What people want to know of Slurm beyond its queue: read behind slurm.sh, whose words and endings it has, when somebody asks.
unset SACCT_FORMAT SSHARE_FORMAT SPRIO_FORMAT SLURM_BITSTR_LEN

# told KIND PROGRAM WORD... : each line that a program says behind KIND, its fields parted by US, and what it complains of behind G.
# Sets `said` to it; fails when the program does.
told() {
    kind=$1
    shift
    if said=$("$@" 2>&1 </dev/null); then
        [ -z "$said" ] || printf '%s\n' "$said" | awk -v k="$kind" -v p="$1" -v u="$us" '
            index($0, p ": ") == 1 { print "G" u p u $0; next }
            { gsub(/\|/, u); print k u $0 }'
        return 0
    fi
    printf 'G%s%s%s%s\n' "$us" "$1" "$us" "$(oneline "$said")"
    return 1
}

# numbers WORD... . : sets `list` to the words with commas between them.
numbers() {
    list=
    for n; do [ "$n" != . ] || break; list=$list${list:+,}$n; done
}

# uses NUMBER... . : what jobs asked for and used. What sacct does not know yet of those that run, sstat does; where no accounts are
# kept, the controller knows what was asked for, for some minutes after the end.
uses() {
    numbers "$@"
    told Ua sacct -n -P -j "$list" -o JobID,State,ElapsedRaw,TotalCPU,AllocCPUS,NNodes,NTasks,ReqMem,MaxRSS,TimelimitRaw || kept=none
    [ -z "${kept-}" ] || for n; do
        [ "$n" != . ] || break
        scontrol show job -o "$n" 2>/dev/null | awk -v u="$us" '
            { split("", f)
              for (i = 1; i <= NF; i++) { p = index($i, "="); w = substr($i, 1, p - 1); if (p && !(w in f)) f[w] = substr($i, p + 1) }
              id = f["ArrayTaskId"] ~ /^[0-9]+$/ ? f["ArrayJobId"] "_" f["ArrayTaskId"] : f["JobId"]
              if ("JobId" in f) print "Uc" u id u f["JobState"] u f["RunTime"] u f["NumCPUs"] u f["NumNodes"] \
                  u f["MinMemoryNode"] u f["MinMemoryCPU"] u f["TimeLimit"] }'
    done
    running=$(squeue -h -t R --jobs="$list" -o %A 2>/dev/null | sort -u | tr '\n' ',')
    [ -z "$running" ] || told Us sstat -a -n -P -j "${running%,}" -o JobID,NTasks,AveCPU,MaxRSS
}

# priorities NUMBER... . : of what those of waiting jobs are made. The last two letters are of 19.05.
priorities() {
    numbers "$@"
    letters=i,u,Y,A,F,J,P,Q,T,N,B,S
    case $(sprio -h --jobs="$list" -o %B%S 2>&1) in *'nvalid job format'*) letters=i,u,Y,A,F,J,P,Q,T,N ;; esac
    told Q sprio -h --jobs="$list" -o "$(printf '%%%s' "$letters" | sed 's/,/|%/g')"
}

# shares . : what one's accounts have used and may.
shares() {
    me=$(id -un)
    printf 'Bm%s%s%s%s\n' "$us" "$me" "$us" "$(scontrol show config 2>/dev/null | awk '$1 == "ClusterName" { print $3; exit }')"
    told Bs sshare -h -P -U -o Account,User,RawShares,RawUsage,EffectvUsage,FairShare
    limits=Cluster,Account,User,Partition,QOS,MaxJobs,MaxSubmit,MaxWall,MaxTRES,MaxTRESMins,GrpJobs,GrpSubmit,GrpTRES,GrpTRESMins
    told Ba sacctmgr -n -P show assoc where "user=$me" "format=$limits" || return 0
    own=$said
    of() { printf '%s\n' "$own" | cut -d'|' -f"$1" | tr ',' '\n' | sed '/^$/d' | sort -u | tr '\n' ','; }
    accounts=$(of 2) qos=$(of 5)
    [ -z "$accounts" ] || told Ba sacctmgr -n -P show assoc where "account=${accounts%,}" user= "format=$limits"
    [ -z "$qos" ] || told Bq sacctmgr -n -P show qos where "name=${qos%,}" \
        format=Name,Priority,MaxJobsPU,MaxSubmitPU,MaxWall,MaxTRES,MaxTRESPU,GrpJobs,GrpSubmit,GrpTRES,GrpTRESMins
}
