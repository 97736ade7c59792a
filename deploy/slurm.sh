#!/bin/sh
# Hunts on a Slurm cluster: task i of an array of n judges shard i/n.
#
#   sbatch --array=1-32 slurm.sh SCENARIO [FLAGS OF hunt...]
#
# To be submitted from a folder that all nodes share; the array counts from 1 without gaps.
#SBATCH --job-name=faultline-hunt
#SBATCH --array=1-16
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=1G
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -eu
index=$SLURM_ARRAY_TASK_ID
code=0
# The report of an earlier hunt is none of this one.
rm -f "shard-$index.json"
# A task that was requeued goes on where it was ended.
faultline hunt "$@" --shard "$index/$SLURM_ARRAY_TASK_COUNT" --jobs 1 --json --out ./faultline-cases > "shard-$index.json.new" || code=$?
# 0, 1 and 4 are findings: the task has done its work. The report gets its name when it is whole.
case $code in
    0 | 1 | 4) mv "shard-$index.json.new" "shard-$index.json" ;;
    *) exit "$code" ;;
esac
